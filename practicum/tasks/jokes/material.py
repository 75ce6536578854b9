"""The words jokes are made of, from the commonest to the rarest.

`{it}`, `{its}` and `{itself}` stand for the pronouns of the joke's subject. A joke is taken apart again at
its sentence ends, and one of a single sentence at ` that ` or ` and `, so no text holds `. ` inside, no act
` that ` or ` and `, and none the noun of a subject. The order is what originality means: the
textbook and the worked examples draw early entries more often.
"""

from __future__ import annotations

from typing import NamedTuple


class Activity(NamedTuple):
    """Something a subject did, with a punch line that plays on words and one that does not.

    infinitive and past word the setup; sound and sense are the two readings of the pun, for the textbook.
    """

    infinitive: str
    past: str
    pun: str
    plain: str
    sound: str
    sense: str


ACTIVITIES = tuple(
    Activity(*row)
    for row in (
        ("go to the bank", "went to the bank", "{it} had lost interest at home", "{it} needed a new pen",
         "interest", "money a bank pays"),
        ("take up baking", "took up baking", "{it} really kneaded the dough", "{it} likes a warm kitchen",
         "knead", "need"),
        ("open a shoe shop", "opened a shoe shop", "{it} puts {its} heart and sole into it",
         "the rent was very low", "sole", "soul"),
        ("sell broken pencils", "sold broken pencils", "the whole thing was pointless",
         "nobody wanted to buy new ones", "pointless", "without a tip"),
        ("sit on the clock", "sat on the clock", "{it} wanted to be on time", "all the chairs were taken",
         "on time", "on top of a clock"),
        ("leave the circus", "left the circus", "the work was far too in tents",
         "the tiger snored all night", "in tents", "intense"),
        ("push the bicycle home", "pushed the bicycle home", "the bicycle was two tired",
         "the road was full of mud", "two tired", "too tired"),
        ("become a gardener", "became a gardener", "{it} heard that business was growing",
         "{it} likes fresh tomatoes", "growing", "getting taller"),
        ("bring a ladder to class", "brought a ladder to class", "{it} was ready for high school",
         "the best books were on the top shelf", "high", "far up"),
        ("put money in the freezer", "put money in the freezer", "{it} wanted cold hard cash",
         "no thief ever looks there", "cold cash", "real money"),
        ("work in the orchard", "worked in the orchard", "{it} does everything in pears",
         "somebody had to hold the ladder", "pears", "pairs"),
        ("give up tennis", "gave up tennis", "it was too much of a racket", "the ball was always wet",
         "racket", "noise"),
        ("plant a light bulb", "planted a light bulb", "{it} wanted to grow a power plant",
         "the packet had no label", "power plant", "where power is made"),
        ("feed the computer", "fed the computer", "it only asked for a few bytes", "it looked a little thin",
         "bytes", "bites"),
        ("run around the bed", "ran around the bed", "{it} had to catch up on sleep",
         "{it} could not find the door", "catch up on sleep", "run after it"),
        ("make candles", "made candles", "{it} only works on wick ends", "the lamp was broken again",
         "wick ends", "weekends"),
        ("bring a fish to the party", "brought a fish to the party", "{it} did it just for the halibut",
         "the fish had been invited too", "halibut", "fun of it"),
        ("buy a boat", "bought a boat", "there was a big sail on", "the bridge was closed on sundays",
         "sail", "sale"),
        ("work in a mirror shop", "worked in a mirror shop", "{it} could see {itself} doing it for years",
         "the shop was just next door", "see oneself", "imagine"),
        ("leave the juice factory", "left the juice factory", "{it} could not concentrate",
         "the bus no longer stopped there", "concentrate", "thick juice"),
        ("fall asleep in the library", "fell asleep in the library", "{it} was already fully booked",
         "the chairs were very soft", "booked", "full of books"),
        ("work as a barber", "worked as a barber", "{it} knows all the short cuts",
         "the scissors were free", "short cuts", "short hair"),
        ("nap in the fireplace", "napped in the fireplace", "{it} wanted to sleep like a log",
         "the bed was full of crumbs", "like a log", "deeply"),
        ("visit the dentist at two thirty", "visited the dentist at two thirty", "it was tooth hurty",
         "the morning was already full", "tooth hurty", "two thirty"),
        ("paint the house in winter", "painted the house in winter", "{it} wanted a second coat",
         "the summer was far too hot", "coat", "a layer of paint"),
        ("talk in the corn field", "talked in the corn field", "the corn was all ears",
         "the farm had no telephone", "ears", "what corn grows"),
        ("keep the old battery", "kept the old battery", "it came free of charge",
         "the radio might need it one day", "charge", "a price"),
        ("hire a spider", "hired a spider", "someone had to build the web page",
         "no one else wanted the job", "web", "what spiders spin"),
        ("write a book about glue", "wrote a book about glue", "{it} just could not put it down",
         "the teacher had asked for one", "put down", "stop reading"),
        ("study cheese", "studied cheese", "{it} wants to do grate things", "{it} has it for every meal",
         "grate", "great"),
        ("put a blanket on the computer", "put a blanket on the computer", "it had left its windows open",
         "it was making a cold sound", "windows", "parts of a screen"),
        ("leave the tea party", "left the tea party", "there was trouble brewing", "all the cups were empty",
         "brewing", "making tea"),
        ("bake for the whole street", "baked for the whole street", "it was the yeast {it} could do",
         "the oven was warm anyway", "yeast", "least"),
        ("sell the vacuum cleaner", "sold the vacuum cleaner", "it was only gathering dust",
         "it was far too loud", "gathering dust", "not being used"),
        ("take two pairs of socks to golf", "took two pairs of socks to golf", "{it} feared a hole in one",
         "the grass was still wet", "hole in one", "a perfect shot"),
        ("work in a lift", "worked in a lift", "the job has its ups but also its downs",
         "{it} does not like stairs", "ups", "good times"),
        ("knit a sweater", "knitted a sweater", "{it} comes from a close knit family",
         "the winter was very near", "close knit", "near to each other"),
        ("bring a pencil to bed", "brought a pencil to bed", "{it} had to draw the curtains",
         "{it} owed somebody a letter", "draw", "pull shut"),
        ("stop playing cards in the jungle", "stopped playing cards in the jungle",
         "there were too many cheetahs", "the table was always wet", "cheetahs", "cheaters"),
        ("greet the ocean", "greeted the ocean", "the ocean waved first", "{it} was raised to be polite",
         "wave", "move a hand"),
        ("tell jokes to the eggs", "told jokes to the eggs", "the eggs always crack up",
         "no one else was at home", "crack up", "laugh"),
        ("dance with shellfish", "danced with shellfish", "{it} wanted to pull a mussel",
         "the band was very good", "mussel", "muscle"),
        ("plan a trip to the stars", "planned a trip to the stars", "somebody had to planet",
         "the beach was too crowded", "planet", "plan it"),
        ("leave the party on the moon", "left the party on the moon", "there was no atmosphere",
         "the last rocket was leaving", "atmosphere", "a good mood"),
        ("walk out on the duck surgeon", "walked out on the duck surgeon", "the surgeon was a quack",
         "the waiting room was full", "quack", "a false surgeon"),
        ("lend money to the skunk", "lent money to the skunk", "the skunk had no scents",
         "the skunk had asked nicely", "scents", "cents"),
        ("race the ketchup", "raced the ketchup", "{it} wanted it to ketchup", "the mustard was too fast",
         "ketchup", "catch up"),
        ("bring a tree to the bank", "brought a tree to the bank", "the bank wanted a new branch",
         "the bank looked rather empty", "branch", "an office of a bank"),
        ("argue about the cheese", "argued about the cheese", "it was nacho cheese",
         "the piece was far too small", "nacho", "not your"),
        ("tiptoe past the medicine", "tiptoed past the medicine", "{it} let the sleeping pills sleep",
         "the floor was freshly cleaned", "sleeping pills", "pills that sleep"),
        ("work for the judge", "worked for the judge", "it was only a trial", "the hours were good",
         "trial", "a test"),
        ("carve a wooden car", "carved a wooden car", "it wooden start", "the metal was too heavy",
         "wooden", "would not"),
        ("join the sheep choir", "joined the sheep choir", "the singing was not too baaad",
         "the goats were off key", "baaad", "bad"),
        ("hide from the potatoes", "hid from the potatoes", "the potatoes had eyes",
         "it was not yet time for dinner", "eyes", "spots of a potato"),
    )
)  # fmt: skip

TRAITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("slow", ("snails send get well cards", "{its} shadow gets home first", "glaciers ask to overtake")),
    ("lazy", ("{it} hired someone to yawn", "{its} alarm clock gave up", "even the sofa feels used")),
    ("forgetful", ("{it} throws {itself} surprise parties", "{it} has met {its} mother nine times",
                   "{its} diary is full of question marks")),
    ("polite", ("{it} says sorry to doors", "{it} thanks the rain", "{it} waits for the echo to finish")),
    ("loud", ("thunder asks for quiet", "the neighbors in the next town moved", "bells cover their ears")),
    ("vain", ("{it} sends flowers to the mirror", "{it} waves at every window",
              "{it} signs {its} own photographs")),
    ("hungry", ("the fridge locks itself", "cookbooks hide under the bed", "{it} licks the menu")),
    ("shy", ("{it} knocks before leaving", "{it} blushes at postcards", "{its} portrait faces the wall")),
    ("careful", ("{it} looks both ways before dreaming", "{it} irons {its} raincoat",
                 "{it} wears a helmet to breakfast")),
    ("cheap", ("{it} asks for change at the wishing well", "{it} only counts sheep on sale",
               "{it} dries used tea bags")),
    ("sleepy", ("even the coffee orders a coffee", "the mattress wants a day off",
                "{it} needs a nap after every nap")),
    ("clumsy", ("{it} trips over the weather", "the floor wears a helmet", "stairs take the day off")),
    ("tidy", ("{it} folds the newspaper before reading it", "the dust makes an appointment",
              "{it} puts clouds in order")),
    ("lucky", ("dice wait for {its} advice", "every coin lands on its edge", "{its} toast never falls")),
    ("nervous", ("{its} tea is always shaken", "even bells have to whisper",
                 "{it} is scared of soft music")),
)  # fmt: skip
"""(what the subject is so much of, what follows from it)."""

PLACES = (
    ("bakery", "baker"), ("library", "librarian"), ("bank", "teller"), ("post office", "clerk"),
    ("museum", "guard"), ("hotel", "porter"), ("bookshop", "owner"), ("toy shop", "cashier"),
    ("train station", "conductor"), ("theater", "usher"), ("pet shop", "keeper"), ("cafe", "waiter"),
)  # fmt: skip
"""(where a story happens, who answers there)."""
THINGS = (
    "a map", "a haircut", "the moon", "a second opinion", "a left shoe", "a bag of wind", "directions",
    "a smaller size", "the manager", "a glass of sand", "a return ticket", "some peace", "a bigger hat",
)  # fmt: skip
REPLIES = (
    "not without a reservation", "you ask that every day", "we are out until tuesday",
    "who sent you this time", "that is what the last one wanted", "only if you bring it back",
    "try the place next door", "this is not that kind of place", "do you want it wrapped",
    "you already have two at home", "please wait behind the yellow line", "we only take coupons",
)  # fmt: skip
ENDINGS = (
    "left a tip", "came back with a lawyer", "took a number", "bought the place", "chose the other one",
    "sat down to wait", "wrote a bad review", "pretended to be somebody else", "paid in buttons",
    "went home to practice",
)  # fmt: skip

ACTS = (
    "painted the moon green", "married a lamp", "taught a spoon to sing", "sold a cloud to the mayor",
    "ironed a pancake", "sued the rain", "mailed a puddle to france", "wore a piano to work",
    "elected a potato", "borrowed the wind", "framed a sneeze", "divorced a tuesday", "buttered the stairs",
    "played chess with soup", "watered the carpet", "filed a report on purple", "hid a lake in a drawer",
    "raised a family of forks", "apologized to gravity", "wrapped the night in foil", "fined a rainbow",
    "milked a cloud", "tucked in the horizon", "won a staring contest with fog",
)  # fmt: skip
"""What nobody ever does, in the past tense."""
