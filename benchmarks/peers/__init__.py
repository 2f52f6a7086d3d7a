"""The peers, each a script that runs in an environment of its own and prints one JSON object."""
