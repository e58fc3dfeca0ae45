"""Questions and contexts that show what a model's activations are like, written for this."""

# Several manners of writing: encyclopedia, news, review, talk, instructions.
EXAMPLES = (
    (
        "Who designed the bridge?",
        "The Harrow Bridge crosses the river Lenn at its narrowest point. It was designed by"
        " Edith Marlow in 1874, after a flood had carried away the wooden bridge of 1702, and"
        " was opened to traffic four years later at a cost of 41,300 pounds. Its main span of"
        " 96 metres was the longest of its kind in the country until 1911.",
    ),
    (
        "How many people lost power?",
        "About 12,000 households were without electricity on Tuesday night when high winds"
        " brought down lines along the coast, the regional operator said. “We had crews out"
        " before midnight,” its spokesman, Paul Ekström, told reporters. Schools in Vikby and"
        " two neighbouring towns stayed shut; trains ran with delays of up to 90 minutes.",
    ),
    (
        "What broke first?",
        "I bought this kettle in March & really wanted to love it!! It boils fast (under 3 min)"
        " and looks great on the counter. But the lid broke after 2 weeks, then the handle got"
        " loose... Customer service sent a replacement, same story. 2/5 stars, would not buy"
        " again.",
    ),
    (
        "Where did they stay?",
        "So we took the night bus because my sister can't stand flying, and we ended up staying"
        " in a hostel next to the old harbour. Does anybody know whether the ferry to the island"
        " still goes on Sundays? Last time we waited three hours and nobody turned up.",
    ),
    (
        "Which gas is released?",
        "When an acid is added to a carbonate, carbon dioxide is released and the solution"
        " fizzes. Weigh 2.5 g of calcium carbonate, place it in a conical flask, and add 50 cm³"
        " of dilute hydrochloric acid. Record the volume of gas every ten seconds until the"
        " reaction stops, then repeat with smaller pieces and compare the two rates.",
    ),
)
