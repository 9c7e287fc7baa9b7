"""The command line `rayllm`: validate, render and run the files that the operator serves."""
