"""Advice about the options of a training.
Checks of single options that other rooms share are in `checks`, where to compute in `computing`.
"""

from minilstm.training.factors import blocks


def spread(y, t):
    """A metric."""
    return abs(y - t).max()


TABLE = [
    ("ml.train(x, y, classifier(), options={'max_epochs': 1})", r"give (TrainingOptions\(.*\))\.",
     "$1.max_epochs == 60 and ml.train(x, y, classifier(), options=$1.__class__('adam', "
     "max_epochs=1, verbose=False))[0]"),
    ("TrainingOptions(learn_rate_schedule='step')", "choose one of (.*), or give an object of",
     "train(x, y, learn_rate_schedule=$each)"),
    ("TrainingOptions(learn_rate_schedule=3)",
     r"an object of (minilstm.schedules), a list, or a function of (\(epoch, iteration\))",
     "import minilstm; train(x, y, learn_rate_schedule=$1.Warmup());"
     "train(x, y, learn_rate_schedule=[$1.Warmup(), 'none']);"
     "train(x, y, learn_rate_schedule=lambda epoch, iteration: 0.1 / sum($2))"),
    ("train(x, y, learn_rate_schedule=lambda epoch, iteration: -1)", "of at least (0)",
     "train(x, y, learn_rate_schedule=lambda epoch, iteration: $1)"),
    ("TrainingOptions(learn_rate_schedule=['cosine', 'none'])",
     "give it a number of steps, or put it last",
     "train(x, y, learn_rate_schedule=['none', 'cosine'][1:]);"
     "train(x, y, learn_rate_schedule=[ml.schedules.Polynomial(steps=3), 'cosine'])"),
    ("blocks('lstm/bias', np.zeros(9), 0.0, (1, 2, 1, 1))", "one factor, or a tuple with one for",
     "len(blocks('lstm/bias', np.zeros(9), 0.0, 1.0)) == 1;"
     "len(blocks('lstm/bias', np.zeros(8), 0.0, (1, 2, 1, 1))) == 4"),
    ("TrainingOptions(data_format='TC', input_data_formats='CT')", "give one of them",
     "TrainingOptions(data_format='TC'); TrainingOptions(input_data_formats='CT')"),
    ("TrainingOptions(output_network='best-validation')", r"give (\(x, y\))",
     "train(x, y, validation_data=$1, output_network='best-validation')"),
    ("TrainingOptions(objective_metric_name='spread', metrics=['auc'])",
     "choose one of (.*), which are", "TrainingOptions(objective_metric_name=$each, "
     "metrics=['auc']); TrainingOptions(objective_metric_name='spread', metrics=[spread])"),
    ("train(x, y, checkpoint_path='c')", "make it, or leave checkpoint_path empty",
     "os.mkdir('c'); train(x, y, checkpoint_path='c'); train(x, y, checkpoint_path='')"),
    ("train(x, [1e3 * a for a in t], build(LSTM(2), FullyConnected(2)), loss='mse', solver='sgdm', "
     "initial_learn_rate=1e30, max_epochs=9)", "diverged|loss", "True"),
]  # fmt: skip
