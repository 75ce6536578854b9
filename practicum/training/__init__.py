"""Exposition, worked problems, practice and examination."""
