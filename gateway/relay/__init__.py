"""HTTP/1.1 connections to an origin and their pool. It knows bytes and sockets, and no word of this product."""
