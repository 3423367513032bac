"""Signing: who wrote what lies in a store, or arrives with an invocation, is known before it is used."""
