"""How parties find each other and talk: connections, frames that are counted, emulated networks, heartbeats."""
