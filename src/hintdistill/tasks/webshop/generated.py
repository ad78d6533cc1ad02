"""A catalogue that is written here, from a grammar, so that no download is needed.

Five categories as WebShop's, eight kinds of product in each. Products of a kind come in families of
near-duplicates, of which one has another attribute, lacks a value of an option, or costs more than
a limit allows; so it matters which one is bought. A third of the families have no options, and a
third have one.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from hintdistill.records import short_hash
from hintdistill.tasks.webshop.catalogue import Catalogue, Product, draw_price, read_prices

FAMILIES, SIZE = 7, 4  # families of a kind, products of a family: 5 * 8 * 7 * 4 = 1,120
_COLORS = ("black", "white", "navy blue", "light grey", "dark green", "burgundy", "beige", "pink",
           "royal blue", "brown")  # fmt: skip
_BRANDS = ("Alderby", "Bexmoor", "Calluna", "Dorvin", "Elmsett", "Farrowby", "Glenmarra",
           "Holtwick", "Ivermere", "Jorvale", "Kestwell", "Lunsford", "Marbrook", "Nethercott",
           "Orlingham", "Penhallow", "Quarndon", "Rosslyn", "Stanwick", "Thornbury")  # fmt: skip


class Kind(NamedTuple):
    """A kind of product. Attributes are said before its name, after "with", and after "for"."""

    query: str
    noun: str  # as titles have it
    before: tuple[str, ...]
    after: tuple[str, ...]
    uses: tuple[str, ...]
    dollars: tuple[int, int]


class Category(NamedTuple):
    """Kinds of product, with the options that they share: names to values."""

    name: str
    levels: str
    options: dict[str, tuple[str, ...]]
    kinds: tuple[Kind, ...]


CATEGORIES = (
    Category(
        "fashion",
        "Clothing, Shoes & Jewelry › Clothing",
        {"color": _COLORS, "size": ("small", "medium", "large", "x-large", "xx-large")},
        (
            Kind("men's shirts", "Button Down Shirt",
                 ("machine washable", "slim fit", "wrinkle free", "easy care"),
                 ("long sleeve", "short sleeve", "button closure"),
                 ("daily wear", "office work"), (15, 60)),
            Kind("women's dresses", "Summer Dress",
                 ("hand washable", "loose fit", "high waisted", "soft knit"),
                 ("short sleeve", "side pockets", "elastic waist"),
                 ("evening parties", "daily wear"), (20, 90)),
            Kind("men's pants", "Cargo Pants",
                 ("water resistant", "relaxed fit", "straight leg", "quick drying"),
                 ("elastic waist", "zipper pockets", "drawstring closure"),
                 ("outdoor hiking", "everyday use"), (20, 80)),
            Kind("women's sweaters", "Knit Sweater",
                 ("hand washable", "wool blend", "oversized fit", "lightweight"),
                 ("long sleeve", "crew neck", "turtle neck"),
                 ("winter evenings", "office work"), (20, 85)),
            Kind("running shoes", "Running Shoes",
                 ("slip resistant", "lightweight", "breathable", "shock absorbing"),
                 ("rubber sole", "arch support", "memory foam"),
                 ("road training", "gym exercise"), (30, 120)),
            Kind("rain jackets", "Rain Jacket",
                 ("waterproof", "wind resistant", "packable", "lightweight"),
                 ("adjustable hood", "zipper pockets", "reflective strips"),
                 ("cycling", "camping trips"), (30, 140)),
            Kind("socks", "Crew Socks",
                 ("moisture wicking", "cushioned", "odor resistant", "breathable"),
                 ("arch support", "seamless toe", "cotton blend"),
                 ("gym exercise", "daily wear"), (8, 30)),
            Kind("backpacks", "Travel Backpack",
                 ("water resistant", "lightweight", "anti theft", "expandable"),
                 ("laptop sleeve", "usb port", "padded straps"),
                 ("school days", "business travel"), (25, 110)),
        ),
    ),
    Category(
        "electronics",
        "Electronics › Accessories",
        {"color": _COLORS, "style": ("single", "with case", "with charger", "bundle")},
        (
            Kind("headphones", "Wireless Headphones",
                 ("noise cancelling", "fast charging", "hands free", "foldable"),
                 ("bluetooth 5.0", "built in microphone", "stereo sound"),
                 ("home office", "air travel"), (25, 180)),
            Kind("chargers", "Wall Charger",
                 ("fast charging", "compact", "heat resistant", "energy saving"),
                 ("usb port", "folding plug", "overcharge protection"),
                 ("tablets", "business travel"), (10, 50)),
            Kind("cameras", "Security Camera",
                 ("weather proof", "motion activated", "easy to install", "battery powered"),
                 ("night vision", "two way audio", "cloud storage"),
                 ("front doors", "baby rooms"), (25, 160)),
            Kind("speakers", "Portable Speaker",
                 ("waterproof", "dust proof", "lightweight", "high power"),
                 ("stereo sound", "carrying strap", "long battery life"),
                 ("pool parties", "home theaters"), (20, 150)),
            Kind("keyboards", "Mechanical Keyboard",
                 ("spill resistant", "compact", "wireless", "quiet"),
                 ("back light", "wrist rest", "number pad"),
                 ("gaming", "home office"), (25, 130)),
            Kind("tablet cases", "Tablet Case",
                 ("shock proof", "slim fit", "scratch resistant", "lightweight"),
                 ("kick stand", "pencil holder", "magnetic closure"),
                 ("school days", "small children"), (10, 55)),
            Kind("hdmi cables", "HDMI Cable",
                 ("high speed", "gold plated", "braided", "flexible"),
                 ("ethernet support", "double shielding", "locking plug"),
                 ("game consoles", "home theaters"), (7, 40)),
            Kind("power banks", "Power Bank",
                 ("fast charging", "high capacity", "pocket sized", "solar powered"),
                 ("led display", "usb port", "built in cable"),
                 ("camping trips", "air travel"), (15, 80)),
        ),
    ),
    Category(
        "grocery",
        "Grocery & Gourmet Food › Pantry",
        {"flavor": ("original", "vanilla", "lemon", "ginger", "honey", "dark chocolate"),
         "size": ("1 pack", "pack of 3", "pack of 6", "pack of 12")},
        (
            Kind("herbal tea", "Herbal Tea Bags",
                 ("caffeine free", "organic", "non gmo", "hand picked"),
                 ("natural ingredients", "no added sugar", "resealable bag"),
                 ("bed time", "gift baskets"), (6, 40)),
            Kind("cookies", "Shortbread Cookies",
                 ("gluten free", "dairy free", "low sodium", "freshly baked"),
                 ("real butter", "natural flavors", "no artificial colors"),
                 ("lunch boxes", "birthday parties"), (5, 35)),
            Kind("snack bars", "Oat Snack Bars",
                 ("high protein", "low sugar", "plant based", "nut free"),
                 ("whole grains", "dietary fiber", "no artificial flavors"),
                 ("lunch boxes", "gym exercise"), (8, 45)),
            Kind("coffee", "Ground Coffee",
                 ("fair trade", "organic", "low acid", "medium roast"),
                 ("smooth finish", "resealable bag", "natural flavors"),
                 ("cold brew", "office kitchens"), (8, 50)),
            Kind("nut butter", "Almond Butter",
                 ("sugar free", "keto friendly", "stone ground", "unsalted"),
                 ("simple ingredients", "glass jar", "no palm oil"),
                 ("baking", "breakfast toast"), (8, 40)),
            Kind("crackers", "Seed Crackers",
                 ("gluten free", "low carb", "oven baked", "plant based"),
                 ("sea salt", "whole grains", "dietary fiber"),
                 ("cheese boards", "birthday parties"), (5, 30)),
            Kind("protein powder", "Protein Powder",
                 ("plant based", "soy free", "low carb", "lactose free"),
                 ("digestive enzymes", "no artificial sweeteners", "natural flavors"),
                 ("morning shakes", "baking"), (18, 80)),
            Kind("dried fruit", "Dried Mango Slices",
                 ("sun dried", "organic", "non gmo", "chewy"),
                 ("no added sugar", "dietary fiber", "resealable bag"),
                 ("trail mix", "school days"), (6, 38)),
        ),
    ),
    Category(
        "garden",
        "Home & Kitchen › Home",
        {"color": _COLORS, "size": ("small", "medium", "large", "extra large")},
        (
            Kind("decorative pillows", "Throw Pillow Cover",
                 ("machine washable", "double sided", "super soft", "fade resistant"),
                 ("hidden zipper", "printing technology", "tassel trim"),
                 ("living room", "guest bedroom"), (9, 45)),
            Kind("area rugs", "Area Rug",
                 ("stain resistant", "non slip", "easy to clean", "low pile"),
                 ("cotton backing", "woven fringe", "vintage pattern"),
                 ("dining room", "living room"), (25, 190)),
            Kind("table lamps", "Bedside Table Lamp",
                 ("dimmable", "energy saving", "touch controlled", "hand made"),
                 ("linen shade", "usb port", "bronze finish"),
                 ("guest bedroom", "reading corner"), (20, 120)),
            Kind("storage baskets", "Storage Basket",
                 ("collapsible", "hand woven", "heavy duty", "eco friendly"),
                 ("carry handles", "removable lid", "cotton lining"),
                 ("laundry room", "toys"), (12, 60)),
            Kind("curtains", "Blackout Curtains",
                 ("machine washable", "noise reducing", "thermal insulated", "easy to hang"),
                 ("grommet top", "rod pocket", "triple weave"),
                 ("living room", "nursery"), (15, 90)),
            Kind("bookcases", "Wooden Bookcase",
                 ("easy to assemble", "space saving", "heavy duty", "wall mounted"),
                 ("solid wood", "metal frame", "adjustable shelves"),
                 ("home office", "reading corner"), (50, 260)),
            Kind("planters", "Ceramic Planter",
                 ("weather resistant", "hand made", "self watering", "frost proof"),
                 ("drainage hole", "bamboo tray", "glazed finish"),
                 ("indoor plants", "herb gardens"), (12, 70)),
            Kind("bed sheets", "Bed Sheet Set",
                 ("machine washable", "wrinkle free", "super soft", "breathable"),
                 ("deep pockets", "pillow cases", "bamboo fibers"),
                 ("guest bedroom", "summer nights"), (20, 110)),
        ),
    ),
    Category(
        "beauty",
        "Beauty & Personal Care › Care",
        {"scent": ("unscented", "lavender", "citrus", "coconut", "rose", "tea tree"),
         "size": ("1 ounce", "2 ounce", "8 ounce", "16 ounce")},
        (
            Kind("shampoo", "Repair Shampoo",
                 ("sulfate free", "paraben free", "cruelty free", "color safe"),
                 ("argan oil", "keratin", "coconut oil"),
                 ("damaged hair", "dry scalp"), (8, 45)),
            Kind("face masks", "Clay Face Mask",
                 ("oil free", "fragrance free", "dermatologist tested", "deep cleansing"),
                 ("hyaluronic acid", "green tea", "vitamin c"),
                 ("sensitive skin", "oily skin"), (8, 50)),
            Kind("body lotion", "Body Lotion",
                 ("fast absorbing", "alcohol free", "long lasting", "cruelty free"),
                 ("shea butter", "aloe vera", "vitamin e"),
                 ("dry skin", "sensitive skin"), (7, 40)),
            Kind("lip balm", "Moisturizing Lip Balm",
                 ("long lasting", "petroleum free", "tinted", "easy to carry"),
                 ("sun protection", "bees wax", "vitamin e"),
                 ("dry lips", "winter sports"), (4, 22)),
            Kind("hair serums", "Smoothing Hair Serum",
                 ("anti frizz", "alcohol free", "lightweight", "fast absorbing"),
                 ("argan oil", "keratin", "jojoba oil"),
                 ("curly hair", "wet hair"), (7, 38)),
            Kind("bath salts", "Bath Salts",
                 ("cruelty free", "mineral rich", "vegan", "quick dissolving"),
                 ("essential oils", "dried flowers", "glass jar"),
                 ("sore muscles", "gift baskets"), (8, 42)),
            Kind("nail polish", "Gel Nail Polish",
                 ("quick drying", "chip resistant", "non toxic", "high gloss"),
                 ("wide brush", "base coat", "glitter finish"),
                 ("home manicures", "evening parties"), (5, 30)),
            Kind("toothpaste", "Whitening Toothpaste",
                 ("fluoride free", "enamel safe", "vegan", "fresh tasting"),
                 ("activated charcoal", "coconut oil", "aloe vera"),
                 ("sensitive teeth", "coffee stains"), (5, 28)),
        ),
    ),
)  # fmt: skip


def _instruction(kind: Kind, attributes: Sequence[str]) -> str:
    """ "Find me soft, light socks with wool for cold feet": WebShop's own form."""
    before = ", ".join(a for a in attributes if a in kind.before)
    after = ", ".join(a for a in attributes if a in kind.after)
    uses = ", ".join(a for a in attributes if a in kind.uses)
    text = f"Find me {before} {kind.query}"
    return text + (f" with {after}" if after else "") + (f" for {uses}" if uses else "")


def _replaced(values: Sequence[str], pool: Sequence[str], rng: random.Random) -> list[str]:
    """The values with one of the pool's replaced by another of the pool."""
    own = [value for value in values if value in pool]
    new = rng.choice([value for value in pool if value not in values])
    return [new if value == own[0] else value for value in values]


def _product(
    category: Category,
    kind: Kind,
    attributes: list[str],
    options: dict[str, list[str]],
    dollars: float,
    rng: random.Random,
) -> Product:
    brand = rng.choice(_BRANDS)
    said = attributes[: rng.randint(1, len(attributes))]  # a title rarely says everything
    name = f"{brand} {' '.join(a.title() for a in said)} {kind.noun}"
    if options and rng.random() < 0.5:
        name += f", {rng.choice(next(iter(options.values()))).title()}"
    bullets = [f"{attribute.capitalize()}: made to last" for attribute in attributes]
    rng.shuffle(bullets)
    prices, shown = read_prices(
        f"${dollars:.2f}" if rng.random() < 0.8 else f"${dollars:.2f} to ${dollars * 1.25:.2f}"
    )
    asin = "B" + short_hash("webshop-product", name, attributes, shown, rng.random())[:9].upper()
    return Product(
        asin=asin,
        category=category.name,
        query=kind.query,
        product_category=f"{category.levels} › {kind.query.title()} › {kind.noun}",
        name=name,
        Title=name,
        Description=f"This {kind.noun.lower()} by {brand} is {', '.join(attributes)}.",
        BulletPoints=bullets,
        Attributes=attributes,
        options=options,
        pricing=prices,
        Price=shown,
        price=draw_price(asin, prices, 0),
        instructions=[{"instruction": _instruction(kind, attributes), "attributes": attributes}],
    )


def _family(category: Category, kind: Kind, rng: random.Random) -> list[Product]:
    """A product and its near-duplicates, in no order."""
    attributes = [
        *rng.sample(kind.before, 2),
        *rng.sample(kind.after, rng.randint(0, 2)),
        *rng.sample(kind.uses, rng.randint(0, 1)),
    ]
    names = rng.choice(([], rng.sample(list(category.options), 1), list(category.options)))
    options = {
        name: sorted(rng.sample(values, rng.randint(3, len(values))), key=values.index)
        for name, values in category.options.items()
        if name in names
    }
    low, high = kind.dollars
    dollars = rng.uniform(low, low + (high - low) * 0.6)
    fewer = dict(options)
    if names:
        name = rng.choice(names)
        dropped = rng.choice(options[name])
        fewer[name] = [value for value in options[name] if value != dropped]
    other = _replaced(attributes, kind.before, rng)
    family = [
        (attributes, options, dollars),
        (other, options, dollars * rng.uniform(0.9, 1.1)),
        (attributes, options, dollars + rng.uniform(50, 90)),  # above the limit of the first
        (attributes, fewer, dollars + rng.uniform(50, 90)),
    ]
    products = [_product(category, kind, *one, rng) for one in family]
    rng.shuffle(products)
    return products


def _nouns(product: Product) -> list[str]:
    """Nouns of a name that the grammar wrote: its brand and what it is."""
    noun = product["product_category"].rsplit(" › ", 1)[1]
    return [product["name"].split()[0].lower(), *noun.lower().split()]


def write_catalogue(seed: int) -> Catalogue:
    """1,120 products, the same for the same seed."""
    products = [
        product
        for category in CATEGORIES
        for kind in category.kinds
        for family in range(FAMILIES)
        for product in _family(
            category, kind, random.Random(short_hash("webshop-family", seed, kind.query, family))
        )
    ]
    random.Random(short_hash("webshop-catalogue", seed)).shuffle(products)
    return Catalogue(products, {product["asin"]: _nouns(product) for product in products})
