from .trained import load as load
