"""Questions that the model cannot answer, and the one sentence that it should say instead.

A model this small can only know its drawn world. Teaching it to say so, from templates filled with many unrelated
subjects plus plain noise, is what keeps it from inventing an answer. The last two wordings of every family and every
sixth filler are kept for the held-out set.
"""

from __future__ import annotations

import random

from qdash.tasks.generators.phrases import Language

REFUSALS: dict[Language, str] = {"en": "I only know simple drawings.", "zh": "我只认识简单的图画。"}

_SUBJECTS: dict[Language, tuple[str, ...]] = {
    "en": (
        "France", "the moon", "gravity", "photosynthesis", "Japan", "the ocean", "Einstein", "chess", "music theory",
        "Paris", "the Roman Empire", "quantum physics", "machine learning", "a computer", "my grandmother", "love",
        "democracy", "the stock market", "Shakespeare", "coffee", "the internet", "New York", "volcanoes",
        "dinosaurs", "the weather", "history", "a neural network", "DNA", "Mars", "Brazil", "the economy",
        "electricity", "the French Revolution", "football rules", "yoga", "black holes", "Python", "a good breakfast",
        "the Great Wall", "climate change", "vitamins", "Mozart", "the human brain", "sleep", "robots", "happiness",
        "space travel", "tea", "my homework", "the president", "cooking rice", "world peace", "antibiotics",
        "bridges", "poetry", "the speed of light", "insurance", "a black hole", "quantization", "the alphabet",
        "Germany", "the Amazon river", "a prime number", "whales", "London", "a sonnet",
    ),
    "zh": (
        "法国", "月亮", "万有引力", "光合作用", "日本", "海洋", "爱因斯坦", "国际象棋", "音乐", "巴黎", "罗马帝国",
        "量子物理", "机器学习", "电脑", "我的奶奶", "爱情", "股票市场", "莎士比亚", "咖啡", "互联网", "北京", "火山",
        "恐龙", "天气", "历史", "神经网络", "基因", "火星", "巴西", "经济", "电", "法国大革命", "篮球规则", "瑜伽",
        "黑洞", "编程", "早餐", "长城", "气候变化", "维生素", "莫扎特", "大脑", "睡眠", "机器人", "幸福", "太空旅行",
        "茶", "作业", "总统", "做饭", "世界和平", "抗生素", "桥梁", "诗歌", "光速", "保险", "量化", "字母表", "德国",
        "长江", "质数", "鲸鱼", "上海", "春节",
    ),
}  # fmt: skip

_WORDINGS: dict[Language, tuple[str, ...]] = {
    "en": (
        "What is the capital of {s}?", "Who invented {s}?", "Tell me about {s}.", "Explain {s}.", "What is {s}?",
        "Write a poem about {s}.", "Write a story about {s}.", "How does {s} work?", "Why is {s} important?",
        "What do you think about {s}?", "Give me some facts about {s}.", "When was {s} discovered?",
        "Summarize {s} in one sentence.", "Do you like {s}?", "How old is {s}?", "Can you teach me {s}?",
        "What is the meaning of {s}?", "Translate {s} into French.", "Who wrote about {s}?", "How far away is {s}?",
        "How much does {s} cost?", "Recommend a book about {s}.", "I want to learn about {s}.", "Let us talk about {s}.",
        "What is the history of {s}?", "Where can I buy {s}?", "Is {s} dangerous?", "Are there any news about {s}?",
        "Define {s}.", "Who is the father of {s}?", "Write an essay on {s}.", "What comes after {s}?",
        "How do I improve {s}?", "List three things about {s}.",
        "Could you explain {s} to a child?", "What should I know about {s}?",
    ),
    "zh": (
        "{s}的首都是哪里？", "谁发明了{s}？", "介绍一下{s}。", "请解释{s}。", "{s}是什么意思？", "写一首关于{s}的诗。",
        "写一个关于{s}的故事。", "{s}是怎么工作的？", "为什么{s}很重要？", "你怎么看{s}？", "告诉我一些关于{s}的事。",
        "{s}是什么时候发现的？", "用一句话总结{s}。", "你喜欢{s}吗？", "{s}有多少年历史？", "你能教我{s}吗？",
        "把{s}翻译成英文。", "谁写过{s}？", "{s}离这里有多远？", "{s}多少钱？", "推荐一本关于{s}的书。", "我想了解{s}。",
        "我们聊聊{s}吧。", "{s}的历史是什么？", "哪里可以买到{s}？", "{s}危险吗？", "最近有{s}的新闻吗？", "什么是{s}？",
        "如何学习{s}？", "请列出{s}的三个特点。", "{s}的作者是谁？",
        "能给孩子讲讲{s}吗？", "关于{s}我应该知道什么？",
    ),
}  # fmt: skip

_CHAT: dict[Language, tuple[str, ...]] = {
    "en": (
        "Hello!", "Hi", "Hello, how are you?", "Good morning.", "Who are you?", "What is your name?", "Thank you!",
        "Tell me a joke.", "What time is it?", "How old are you?", "What day is it today?", "Sing a song.", "Goodbye.",
        "Can you help me?", "Are you a robot?", "I am bored.", "What can you do?", "Nice to meet you.", "I feel sad today.",
        "Who made you?", "Do you sleep?", "Tell me a story.", "Who is the president?", "Will it rain tomorrow?",
        "Who painted the Mona Lisa?", "Write some code.", "How do I get to the airport?", "Who is taller?",
        "How is the weather today?", "Are you human?", "Tell me something interesting.", "Where do you live?",
    ),
    "zh": (
        "你好！", "你好", "你好吗？", "早上好。", "你是谁？", "你叫什么名字？", "谢谢！", "讲个笑话。", "现在几点了？", "你多大了？",
        "今天星期几？", "唱首歌吧。", "再见。", "你能帮我吗？", "你是机器人吗？", "我很无聊。", "你会做什么？", "很高兴认识你。",
        "我今天很难过。", "谁创造了你？", "你睡觉吗？", "给我讲个故事。", "总统是谁？", "明天会下雨吗？", "蒙娜丽莎是谁画的？",
        "写一段代码。", "去机场怎么走？", "谁更高？", "今天天气怎么样？", "你是人吗？", "说点有趣的事。", "你住在哪里？",
    ),
}  # fmt: skip

_MATHS: dict[Language, tuple[str, ...]] = {
    "en": (
        "What is {a} {op} {b}?", "{a} {op} {b} = ?", "Calculate {a} {op} {b}.", "Is {a} larger than {b}?",
        "What is {a} percent of {b}?", "Solve x + {a} = {b}.", "How much is {a} {op} {b}?", "Work out {a} {op} {b}.",
    ),
    "zh": (
        "{a} {op} {b} 等于几？", "{a}{op}{b}=?", "计算{a}{op}{b}。", "{a}比{b}大吗？", "{b}的百分之{a}是多少？",
        "解方程 x + {a} = {b}。", "{a}加{b}是多少？", "请算出{a}{op}{b}。",
    ),
}  # fmt: skip

_HANZI = "天地人你我他大小上下来去说话时间年月日山水火木金土学生老师朋友工作生活国家城市世界问题方法开始结束高兴知道可以因为所以"
_SYLLABLES = ("ba", "lo", "tri", "ken", "mu", "sha", "ver", "zi", "po", "ran", "el", "tho", "qu", "ing", "dar", "fe")


def outside_question(language: Language, rng: random.Random, held_out: bool = False) -> tuple[str, str]:
    """A question that no picture of this world answers, and the refusal in its language."""
    family = rng.choices((_templated, _chat, _maths, _noise), weights=(5, 2, 2, 1))[0]
    return family(language, rng, held_out), REFUSALS[language]


def _part(items: tuple[str, ...], held_out: bool, every: int = 0) -> tuple[str, ...]:
    """The held-out or the training part: every n-th item, or by default the last two, are held out."""
    if every:
        return tuple(item for index, item in enumerate(items) if (index % every == every - 1) is held_out)
    return items[-2:] if held_out else items[:-2]


def _templated(language: Language, rng: random.Random, held_out: bool) -> str:
    subject = rng.choice(_part(_SUBJECTS[language], held_out, every=6))
    return rng.choice(_part(_WORDINGS[language], held_out)).format(s=subject)


def _chat(language: Language, rng: random.Random, held_out: bool) -> str:
    return rng.choice(_part(_CHAT[language], held_out, every=6))


def _maths(language: Language, rng: random.Random, held_out: bool) -> str:
    operators = "+-*/" if language == "en" else "+-×÷"
    numbers = rng.randint(0, 10 ** rng.randint(1, 4)), rng.randint(0, 10 ** rng.randint(1, 4))
    wording = rng.choice(_part(_MATHS[language], held_out))
    return wording.format(a=numbers[0], b=numbers[1], op=rng.choice(operators))


def _noise(language: Language, rng: random.Random, held_out: bool) -> str:
    """Words that mean nothing; there are enough of them that training never sees a held-out one."""
    if language == "zh":
        return "".join(rng.choice(_HANZI) for _ in range(rng.randint(2, 14))) + rng.choice(("", "。", "？"))
    words = ("".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(1, 7)))
    return " ".join(words) + rng.choice(("", ".", "?"))
