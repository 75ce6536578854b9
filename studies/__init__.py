"""The measured claims of the documentation, made again: run the experiments, write the results."""
