"""The measured claims of the documentation, made again from nothing: run the experiments, write the results."""
