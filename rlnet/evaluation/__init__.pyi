from .full import evaluate as evaluate
