"""What is trained and what is traded, as files: ``ModelRecipe`` and the strategy file.

``recipe`` and ``strategy`` say what they are, ``reading`` reads both from YAML with the line in every error, ``shapes``
is the language in which their keys are declared once, for reader and JSON schema alike. ``features`` finds the features
that a recipe or a strategy means in the catalog.
"""
