"""The child process: the only place that imports torch and runs the code of a model. It never writes into a user's folder."""
