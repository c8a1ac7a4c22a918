"""Controls that are trained in the place of an RNN."""

from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.training import Call, Setting


class BagSetting(Setting):
    """A bag of steps, which knows no order; its `cell` is `BagOfSteps`."""

    __public_name__ = "experiments.BagSetting"  # in keys, wherever it stands

    def make_model(self):
        """Returns the control's factory."""
        task = self.make_task(0)
        return Call(
            BagOfSteps,
            in_features=task.in_features,
            hidden_features=self.hidden_features,
            out_features=task.out_features,
            num_tokens=task.num_tokens,
        )
