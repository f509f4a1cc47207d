"""The methods of the command line as estimators of scikit-learn."""
