"""The mistakes of WebShop's scripted shopper: which goals suffer from each, and when it is made.

Both show in the first two turns: an agent that writes no thoughts has nowhere to plan, and a small
model did not follow hints about what it does pages later. The hints that prevent them are in
habits.yaml.
"""

from pathlib import Path

from hintdistill.environments.scripted.habits import read_habits
from hintdistill.environments.webshop.player.reading import read_wish

HABITS = read_habits(
    Path(__file__).with_name("habits.yaml"),
    {
        # Searches for the name, without most properties and the options.
        "short_query": (lambda w: w.name != w.what or bool(w.options), lambda w: True),
        # Takes the first result, whatever it costs.
        "price": (lambda w: w.limit is not None, lambda w: True),
    },
    read_wish,
)
