"""What each command can be told: typed settings that are checked before anything heavy is loaded."""
