"""The schedulers that are measured side by side, and the table of them."""

from benchmarks.peers.table import PEERS, SERVERLESS, Peer, PeerMissing, open_peer

__all__ = ["PEERS", "SERVERLESS", "Peer", "PeerMissing", "open_peer"]
