"""Folders and files of images: which parts and classes a folder has, which files they hold, and one file to pixels."""
