"""The decoder, its tokenizer and its cache: models that know no task."""
