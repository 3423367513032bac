import importlib
def find_planner(name):
    return getattr(importlib.import_module("planners."+name), name.title())() if isinstance(name,str) else name
