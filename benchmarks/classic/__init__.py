"""The classic protocol of serverless workflows over a central key-value store, as a baseline.

What PyWren's, numpywren's and WUKONG's published designs have in common before anything is
optimized: a task is the unit of everything. Its output is stored, always; each input of a task
that has several is counted by a round trip of its own (``INCR``), and who counts the last one goes
on with the task; a container is invoked for every other task that became ready.

It is as good as such a design gets here. Containers are processes that are there already and have
imported everything; functions and the whole graph are sent to each once a run; all inputs of a task
are fetched in one round trip; what the container has just made itself it does not fetch; a task
with a single input is not counted; values are packed, and sent over the same kind of connection, as
the engine does it. It keeps less: no lease, no claim, no retry. A container that dies is a hang.
"""
