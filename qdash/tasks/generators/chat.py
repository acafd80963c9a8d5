"""Questions as people put them to a chat model: explanations, comparisons, lists, letters, small sums, code, talk; on many subjects.

There are no answers with them. They are asked to have a model say something of everything, so that what it says can be learned from.
"""

import random
from itertools import product

SEED = "chat"

SUBJECTS = (
    "tea", "bridges", "volcanoes", "the moon", "bees", "bicycles", "bread", "glaciers", "the human heart", "electricity", "chess",
    "coral reefs", "paper", "the printing press", "vaccines", "deserts", "whales", "the Roman Empire", "photography", "rice", "earthquakes",
    "clocks", "steam engines", "rainforests", "money", "the violin", "libraries", "salt", "satellites", "the immune system", "olive oil",
    "lighthouses", "the alphabet", "batteries", "rainbows", "railways", "spiders", "sleep", "the Great Wall of China", "chocolate",
    "magnets", "soap", "elections", "tides", "concrete", "dinosaurs", "jazz", "the Silk Road", "potatoes", "airplanes", "mirrors",
    "the internet", "cats", "cotton", "gravity", "cheese", "maps", "wind turbines", "the Olympic Games", "mushrooms", "glass", "pianos",
    "penguins", "inflation", "the ozone layer", "wool", "memory", "football", "submarines", "honey",
)  # fmt: skip

FORMS = (
    "What should everybody know about {subject}?",
    "Explain {subject} to a child of eight.",
    "Give me five facts about {subject}.",
    "How has {subject} changed the way people live?",
    "Write a short story in which {subject} plays a part.",
    "What is a common mistake that people make about {subject}?",
    "Write the first paragraph of a newspaper article about {subject}.",
    "Two friends talk about {subject}. Write their conversation.",
    "I have to give a talk on {subject}. What could I begin with?",
    "Why do people care about {subject}? Answer in two sentences.",
    "Write a poem of four lines about {subject}.",
    "What questions about {subject} has nobody answered yet?",
)

OTHERS = (
    "Hello! Who are you, and what can you do?",
    "I feel tired today. Do you have any advice?",
    "Write an email to my landlord: the heating has not worked since Monday.",
    "Write a polite letter to a neighbour whose dog barks at night.",
    "Thank a colleague in three sentences for her help with a report.",
    "What is 37 plus 48? Show how you work it out.",
    "A train leaves at 9:40 and arrives at 12:15. How long does it take?",
    "I buy three apples for 40 cents each and pay with two euros. How much do I get back?",
    "Sort these words: pear, apple, fig, cherry, banana.",
    "Which is larger, three quarters or two thirds, and why?",
    "Write a Python function that says whether a number is prime.",
    "Write a Python function that counts the words of a text.",
    "What does this do: [x * x for x in range(5)]?",
    "Explain what a hash table is.",
    "What is the difference between HTTP and HTTPS?",
    "Translate into French: Where is the nearest station?",
    "Translate into German: The weather is fine today.",
    "Translate into Spanish: I would like a cup of coffee, please.",
    "Correct the mistakes: He go to school every days and like it.",
    "Say this more politely: Send me the file now.",
    "Give the opposite of each word: hot, early, narrow, generous.",
    "Name the days of the week in order, beginning with Wednesday.",
    "What can I cook with eggs, spinach and potatoes?",
    "How do I change the tyre of a bicycle?",
    "Plan a day in Rome for a family with two children.",
    "Tell me a joke about a programmer.",
    "Should I learn to play the guitar or the piano? Give reasons for both.",
    "What are the capitals of Italy, Japan, Kenya and Peru?",
    "Who wrote Romeo and Juliet, and what is it about?",
    "Summarize in one sentence: The shop opened in 1950. It sold shoes for forty years. Then the owner retired, and it became a café.",
)


def chat_questions(number: int) -> list[str]:
    """The first `number` of all, in an order that mixes them and is always the same; a subject comes in several forms."""
    asked = [form.format(subject=subject) for form, subject in product(FORMS, SUBJECTS)]
    rng = random.Random(SEED)
    rng.shuffle(asked)
    mixed = [*OTHERS, *asked[: number - len(OTHERS)]]
    rng.shuffle(mixed)
    return mixed[:number]
