"""Secure protocols. Of the project only crypten/ imports CrypTen, and only where parties run.

What a command has to know before anything is loaded is in settings.py, which imports nothing heavy; registry.py has the parts.
"""
