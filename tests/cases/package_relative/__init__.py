"""A small package of models, as a research repository has one: the net imports its layers relatively."""
