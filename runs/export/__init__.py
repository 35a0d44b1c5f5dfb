"""Export: a run's items as a data set that others can load, in a folder of its own and on the Hugging Face Hub."""
