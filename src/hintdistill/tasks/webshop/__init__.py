"""WebShop (Yao et al. 2022) as a library: its text environment, with no server and no Java."""

from hintdistill.tasks.webshop.env import WebShopEnv

__all__ = ["WebShopEnv"]
