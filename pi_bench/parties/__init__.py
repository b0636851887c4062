"""What server, client and dealer do, and how they are started on this host."""
