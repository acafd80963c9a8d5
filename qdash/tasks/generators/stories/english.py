"""The English words of the stories; every answer is one word."""

from __future__ import annotations

from qdash.tasks.generators.stories.lexicon import Countable, Lexicon, Opposite, Person, words

_WOMEN = "Mia Anna Lily Emma Sara Ruth Nora Ella Rosa Jane Kate Lucy Amy Zoe Eva Alice Grace Clara Julia Maria"
_MEN = "Tom Ben Sam Max Leo Jack Paul Peter Adam Noah Oscar Hugo Carl David Felix Henry Simon Oliver Luke Victor"


def _opposite(first: str, second: str, subjects: str) -> Opposite:
    return Opposite(first, second, words(subjects))


ENGLISH = Lexicon(
    people=tuple(Person(name, "she") for name in words(_WOMEN)) + tuple(Person(name, "he") for name in words(_MEN)),
    places=words(
        "kitchen garden garage bedroom bathroom school park library office hall attic cellar barn forest market museum shop station "
        "field tent tower castle cave hospital church zoo theater bakery hotel harbor stable cabin"
    ),
    containers=words("box basket drawer bag cupboard chest jar bucket suitcase fridge oven wardrobe barrel crate"),
    colours=words("red orange yellow green blue purple pink brown black white gray"),
    trades=words("baker teacher doctor farmer painter singer driver cook nurse pilot sailor tailor dancer judge barber"),
    relations=words("brother sister uncle aunt teacher friend neighbor cousin boss doctor"),
    foods=tuple(
        Countable(one, many)
        for one, many in zip(
            words("apple pear plum lemon cherry carrot potato onion egg cookie cake nut grape peach melon sandwich"),
            words("apples pears plums lemons cherries carrots potatoes onions eggs cookies cakes nuts grapes peaches melons sandwiches"),
            strict=True,
        )
    ),
    animals=tuple(
        Countable(one, many)
        for one, many in zip(
            words("cat dog horse cow pig goat duck hen rabbit frog bird mouse fox bear lion monkey turtle goose"),
            words("cats dogs horses cows pigs goats ducks hens rabbits frogs birds mice foxes bears lions monkeys turtles geese"),
            strict=True,
        )
    ),
    uses=(
        ("open the locked door", "key"), ("eat the soup", "spoon"), ("stay dry in the rain", "umbrella"),
        ("cut the bread", "knife"), ("write a letter", "pen"), ("see in the dark", "lamp"), ("read a story", "book"),
        ("take a picture", "camera"), ("climb onto the roof", "ladder"), ("drive in the nail", "hammer"),
        ("know the time", "clock"), ("sweep the floor", "broom"), ("dry the dishes", "towel"), ("sew on a button", "needle"),
        ("find the way", "map"), ("call a friend", "phone"), ("cut the paper", "scissors"), ("drink some water", "cup"),
        ("keep warm in bed", "blanket"), ("catch a fish", "net"), ("dig a hole", "spade"), ("play a song", "guitar"),
        ("paint the wall", "brush"), ("cut down the tree", "axe"), ("look at the stars", "telescope"), ("tie up the boat", "rope"),
        ("wash both hands", "soap"), ("light the fire", "match"),
    ),
    playthings=words(
        "ball hat coat doll kite drum ring plate bottle candle scarf pillow flute ticket coin stone shell flower crown puzzle "
        "robot balloon violin trumpet necklace wallet helmet feather"
    ),
    opposites=(
        _opposite("hot", "cold", "soup tea water bath milk coffee"),
        _opposite("big", "small", "house dog tree box garden ship"),
        _opposite("long", "short", "rope road story river dress tail"),
        _opposite("new", "old", "car coat bicycle phone hat piano"),
        _opposite("fast", "slow", "train horse bus boat runner"),
        _opposite("heavy", "light", "bag suitcase stone box table"),
        _opposite("full", "empty", "bottle glass bucket basket bus"),
        _opposite("open", "closed", "door window shop gate book"),
        _opposite("wet", "dry", "towel coat grass road shirt"),
        _opposite("clean", "dirty", "room shirt plate car floor"),
        _opposite("happy", "sad", "song clown child film ending"),
        _opposite("rich", "poor", "king farmer merchant family town"),
        _opposite("strong", "weak", "horse wind team king bridge"),
        _opposite("loud", "quiet", "music bell street class drum"),
        _opposite("hard", "soft", "bed bread pillow chair cheese"),
        _opposite("high", "low", "wall shelf tower bridge roof"),
        _opposite("wide", "narrow", "road river bridge street door"),
        _opposite("thick", "thin", "book wall blanket ice rope"),
        _opposite("sweet", "sour", "lemonade plum orange juice grape"),
        _opposite("bright", "dark", "room lamp sky cave hall"),
        _opposite("early", "late", "train guest bus teacher flight"),
        _opposite("cheap", "expensive", "ring hotel watch ticket meal"),
        _opposite("safe", "dangerous", "path bridge road lake game"),
        _opposite("easy", "difficult", "test question puzzle game task"),
        _opposite("brave", "timid", "knight lion puppy soldier child"),
        _opposite("tame", "wild", "horse bird cat fox bear"),
        _opposite("deep", "shallow", "lake river pool hole well"),
        _opposite("sharp", "blunt", "knife pencil axe sword needle"),
        _opposite("smooth", "rough", "stone sea road wood skin"),
        _opposite("fresh", "stale", "bread cake milk fish bun"),
        _opposite("polite", "rude", "waiter boy guest letter girl"),
        _opposite("interesting", "boring", "film book lesson game speech"),
        _opposite("tight", "loose", "belt rope knot shoe glove"),
        _opposite("straight", "crooked", "road line fence nail tooth"),
        _opposite("true", "false", "story answer rumor sentence report"),
        _opposite("near", "far", "village station sea mountain island"),
        _opposite("awake", "asleep", "baby cat guard dog owl"),
        _opposite("lazy", "busy", "student bee worker helper cat"),
    ),  # fmt: skip
    rankings=(
        ("taller", "shorter", "tallest", "shortest"),
        ("older", "younger", "oldest", "youngest"),
        ("faster", "slower", "fastest", "slowest"),
        ("stronger", "weaker", "strongest", "weakest"),
        ("richer", "poorer", "richest", "poorest"),
        ("louder", "quieter", "loudest", "quietest"),
    ),
    numbers=words("zero one two three four five six seven eight nine ten eleven twelve"),
    openings=(
        "It was a sunny morning.", "It was a cold winter day.", "One day it was raining.", "Once there was a quiet village.",
        "It was late in the evening.", "Here is a short story.", "It was the first day of spring.", "The holidays had just begun.",
        "Once upon a time there were some good friends.", "It was a busy afternoon.", "Listen to this story.",
        "It was a foggy night.",
    ),
    remarks=(
        "The sun was shining.", "A bird sang outside.", "It began to rain.", "Nobody said a word.", "The wind was blowing.",
        "Far away a bell rang.", "Everybody laughed.", "It was getting late.", "Somebody closed a window.", "The clouds moved slowly.",
        "The air smelled of flowers.", "A truck passed by.", "Time went by.", "The day was long.", "There was music in the street.",
        "Snow began to fall.", "The moon was rising.", "Children were playing outside.",
    ),
)  # fmt: skip
