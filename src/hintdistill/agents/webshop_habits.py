"""The mistakes of WebShop's scripted shopper, and the hints that prevent each: one table.

It searches for one word, buys without choosing options (or after the first), takes the first result
whatever it costs, writes the buy button in small letters where no option is asked for, or looks for
reviews there until its steps have run out.
"""

from hintdistill.agents.habits import Habit, Habits
from hintdistill.tasks.webshop.reading import Wish, read_wish


def _asks_for_nothing_to_choose(wish: Wish) -> bool:
    return not wish.options


HABITS = (
    Habit(
        "options",  # buys without choosing the one option that is asked for, if it is no colour
        lambda wish: len(wish.options) == 1,
        lambda wish: "color" not in wish.options,
        (
            "Pick the {option} on the page of {product}; only then buy.",
            "Before you pay, select the {option} that was asked for.",
            "The {option} matters: choose it on the page of {product}.",
            "Do not buy {product} as it comes; set its {option} first.",
            "Look at the choices of {product} and click the one that is wanted.",
            "A purchase without the right {option} is only half right. Select it.",
            "On the page of {product}, choose first and buy afterwards.",
            "Find the wanted {option} among those in brackets, and click it.",
        ),
        (
            "Set the {option} of {product} as the customer wants it, then pay.",
            "Never pay before the {option} is selected.",
        ),
    ),
    Habit(
        "second_option",  # chooses the first of several, if a property is said by "with"
        lambda wish: len(wish.options) > 1,
        lambda wish: " with " in wish.what,
        (
            "One {option} is not all: select each one that was asked for.",
            "After the first {option}, pick the next; buy when all are set.",
            "Go through all that the customer names and select every {option}.",
            "Do not stop at the first {option}; the others count as well.",
            "Count the options that are asked for, and choose as many.",
            "Colour and size, and whatever else is named, must all be selected.",
            "There is more than one {option} to set before you buy.",
            "When you have set one {option}, set the rest of them too.",
        ),
        (
            "Select both what comes first and what comes after it, then pay.",
            "Set everything that is asked for, not just one {option}.",
        ),
    ),
    Habit(
        "short_query",  # searches for one word, if no property is said by "with"
        lambda wish: True,
        lambda wish: " with " not in wish.what,
        (
            "Put every property of {product} into the search bar, not its name alone.",
            "One word finds anything; search for all that {product} must be like.",
            "Search with the whole description of {product}, and its {option}.",
            "The more of the task's words you search for, the better the hits.",
            "Type all properties of {product} when you look for it.",
            "A single word is too little for the search bar.",
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
    Habit(
        "capitals",  # writes the buy button in small letters, if no property is said by "with"
        _asks_for_nothing_to_choose,
        lambda wish: " for " not in wish.what and " with " not in wish.what,
        (
            'The button is called "Buy Now", with two capitals.',
            'Type "click[Buy Now]"; in small letters it does not work.',
            "Mind capital letters in the names of buttons.",
            "Names in brackets have to be copied with their capitals.",
            'Capital B, capital N: that is how "Buy Now" is clicked.',
            "Copy the name of a button as it stands on the page.",
            'If "click[buy now]" is refused, it is for the small letters.',
            "The shop tells capitals from small letters when you click.",
        ),
        (
            "Spell buttons as the page does, big letters and small ones.",
            "What you click must look just like what is in the brackets.",
        ),
    ),
    Habit(
        "reviews",  # if it is for some use, looks for reviews instead of buying
        _asks_for_nothing_to_choose,
        lambda wish: " for " in wish.what,
        (
            "There are no reviews worth reading; buy {product} when its title fits.",
            "Do not click Reviews. Buy.",
            "You have few steps. Buy {product} as soon as you are on its page.",
            "Spend no step on reviews.",
            "Open one {product} and buy it; do not look at several.",
            "Do not go back and forth: when {product} fits, pay.",
            "Make up your mind at the first {product} that fits, and buy it.",
            "An episode without a purchase earns nothing, so buy in time.",
        ),
        (
            "Reading about {product} leads nowhere; click the button that buys it.",
            "Decide quickly, and end with a purchase.",
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
