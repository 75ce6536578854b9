"""A user's own data: files read into rows, columns found by name, chats, preference pairs and labels."""
