"""The mistakes of WebShop's scripted shopper, and the hints that prevent each: one table.

It searches for little more than a name, and takes the first result whatever it costs. Both show in
the first two turns: an agent that writes no thoughts has nowhere to plan, and a small model did not
follow hints about what it does pages later.
"""

from hintdistill.agents.habits import Habit, Habits
from hintdistill.tasks.webshop.reading import read_wish

HABITS = (
    Habit(
        "short_query",  # searches for the name, without most properties and the options
        lambda wish: wish.name != wish.what or bool(wish.options),
        lambda wish: True,
        (
            "Put every property of {product} into the search bar, not its name alone.",
            "One word finds anything; search for all that {product} must be like.",
            "Search with the whole description of {product}, and its {option}.",
            "The more of the task's words you search for, the better the hits.",
            "Type all properties of {product} when you look for it.",
            "A bare name is too little for the search bar.",
            "Copy what is asked for into the search, with all its properties.",
            "Do not search for the bare name of {product}; add how it must be.",
        ),
        (
            "Describe {product} fully when you search for it.",
            "Use the words about its properties in the search bar as well.",
        ),
    ),
    Habit(
        "price",  # takes the first result, whatever it costs
        lambda wish: wish.limit is not None,
        lambda wish: True,
        (
            "Mind the price: open only what costs less than the customer's limit.",
            "Skip what is too dear, and take the next {product} in the list.",
            "Check what {product} costs before you open it.",
            "A {product} above the limit is worth less. Pass it by.",
            "Read the prices in the list; the limit is at the end of the task.",
            "Too expensive? Go on to the next one in the list.",
            "Of the products shown, take the first that is cheap enough.",
            "Look at the price next to each title, and stay below the limit.",
        ),
        (
            "Do not spend more than the customer allows; look at the list's prices.",
            "Leave out every {product} that costs too much.",
        ),
    ),
)

# Advice that the shopper follows anyhow; a bank has such hints as well.
GENERAL = (
    "Read the task again before you act.",
    "Search on the first page, and nowhere else.",
    "Write one action a line and nothing else.",
    "Click only what stands in brackets on the page.",
    "Open {product} by clicking its number.",
    "Do not repeat an action that led to nothing.",
    'Go back with "click[< Prev]" when {product} is wrong.',
    "The best hits stand at the top of the page.",
    "Look at the whole page before you click.",
    "Use the words of the task when you search.",
    "Start with a search.",
    "Do not open the same {product} again.",
)

WEBSHOP_HABITS = Habits(HABITS, GENERAL, read_wish)
