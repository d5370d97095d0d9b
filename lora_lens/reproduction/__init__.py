"""The paper's experiment from a configuration file: search, training over seeds, evaluation, analysis."""
