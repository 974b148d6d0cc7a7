"""Stand for a site whose import takes long: imported first by shop.wsgi and shop.asgi."""

import time

from shop.environment import number

time.sleep(number("SHOP_IMPORT_SECONDS", 0))
