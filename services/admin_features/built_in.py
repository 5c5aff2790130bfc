"""The notifications the product sends, and the texts it comes with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.templates import Text


@dataclass(frozen=True, slots=True)
class Notification:
    """``examples`` are its variables, each with what a preview shows for it."""

    examples: Mapping[str, str]
    texts: Mapping[str, Text]

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(self.examples)


_SHOP: Final = {"first_name": "Mia", "shop_name": "Demo Store"}

NOTIFICATIONS: Final[Mapping[str, Notification]] = {
    "points_earned": Notification(
        _SHOP | {"points": "120", "balance": "480"},
        {
            "en": Text(
                "You earned {{ points }} points",
                "Hi {{ first_name }},\n\nthank you for your order. You earned {{ points }} points"
                " and now have {{ balance }}.\n\n{{ shop_name }}",
            ),
            "es": Text(
                "Has ganado {{ points }} puntos",
                "Hola, {{ first_name }}:\n\nGracias por tu pedido. Has ganado {{ points }} puntos"
                " y ahora tienes {{ balance }}.\n\n{{ shop_name }}",
            ),
            "fr": Text(
                "Vous avez gagné {{ points }} points",
                "Bonjour {{ first_name }},\n\nMerci pour votre commande. Vous avez gagné"
                " {{ points }} points et en avez maintenant {{ balance }}.\n\n{{ shop_name }}",
            ),
            "de": Text(
                "Sie haben {{ points }} Punkte gesammelt",
                "Hallo {{ first_name }},\n\nvielen Dank für Ihre Bestellung. Sie haben"
                " {{ points }} Punkte gesammelt und jetzt {{ balance }}.\n\n{{ shop_name }}",
            ),
            "pt": Text(
                "Você ganhou {{ points }} pontos",
                "Olá, {{ first_name }},\n\nObrigado pelo seu pedido. Você ganhou {{ points }}"
                " pontos e agora tem {{ balance }}.\n\n{{ shop_name }}",
            ),
            "ja": Text(
                "{{ points }}ポイントを獲得しました",
                "{{ first_name }} 様\n\nご注文ありがとうございます。{{ points }}ポイントを獲得し、"
                "現在の残高は{{ balance }}ポイントです。\n\n{{ shop_name }}",
            ),
            "ar": Text(
                "لقد ربحت {{ points }} نقطة",
                "مرحبًا {{ first_name }}،\n\nشكرًا لطلبك. لقد ربحت {{ points }} نقطة"
                " ورصيدك الآن {{ balance }}.\n\n{{ shop_name }}",
            ),
            "he": Text(
                "צברת {{ points }} נקודות",
                "שלום {{ first_name }},\n\nתודה על ההזמנה. צברת {{ points }} נקודות"
                " והיתרה שלך היא {{ balance }}.\n\n{{ shop_name }}",
            ),
        },
    ),
    "points_expiring": Notification(
        _SHOP | {"points": "120", "expires_on": "30 June 2026"},
        {
            "en": Text(
                "{{ points }} points expire on {{ expires_on }}",
                "Hi {{ first_name }},\n\n{{ points }} of your points expire on {{ expires_on }}."
                " Use them before then.\n\n{{ shop_name }}",
            )
        },
    ),
    "reward_redeemed": Notification(
        _SHOP | {"points": "500", "reward": "$5 off", "code": "LOYAL-7K2M9Q"},
        {
            "en": Text(
                "Your reward: {{ reward }}",
                "Hi {{ first_name }},\n\nyou redeemed {{ points }} points for {{ reward }}."
                "\n\nYour code: {{ code }}\n\n{{ shop_name }}",
            )
        },
    ),
    "referral_invite": Notification(
        {"advocate_name": "Mia", "shop_name": "Demo Store", "link": "https://example.com/r/K7Q2"},
        {
            "en": Text(
                "{{ advocate_name }} invites you to {{ shop_name }}",
                "Hi,\n\n{{ advocate_name }} thinks you will like {{ shop_name }}. Order through"
                " this link, and both of you get points:\n\n{{ link }}",
            )
        },
    ),
    "referral_completed": Notification(
        _SHOP | {"points": "300"},
        {
            "en": Text(
                "Your friend has ordered: {{ points }} points for you",
                "Hi {{ first_name }},\n\nyour friend has placed a first order. As a thank-you we"
                " have added {{ points }} points to your account.\n\n{{ shop_name }}",
            )
        },
    ),
    "tier_reached": Notification(
        _SHOP | {"tier": "Gold"},
        {
            "en": Text(
                "Welcome to {{ tier }}",
                "Hi {{ first_name }},\n\nyou have reached {{ tier }}. Thank you for being with us."
                "\n\n{{ shop_name }}",
            )
        },
    ),
    "badge_awarded": Notification(
        _SHOP | {"badge": "First order"},
        {
            "en": Text(
                "A badge for you: {{ badge }}",
                "Hi {{ first_name }},\n\nyou earned the badge {{ badge }}.\n\n{{ shop_name }}",
            )
        },
    ),
}
