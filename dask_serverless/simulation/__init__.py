"""The same machine under virtual time: what a plan would do on containers that do not exist."""
