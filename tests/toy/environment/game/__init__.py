from hintdistill.core.records import SPLITS, Game, Task, content_sha256
from hintdistill.environments.common.protocol import Outcome


def build_panel(params):
    for split in SPLITS:
        for number in range(getattr(params, split)):
            place = "house" if number % 4 < 2 else "shed"
            sentence = f"open the door of the {place}"
            content = {"locked": str(number % 2)}
            name, pin = f"{split}/{number}", content_sha256(content)
            kind = {"env": "toy", "split": split, "type": place, "source": "generated"}
            words = {"instruction": sentence, "content_sha256": pin, "group": name}
            yield Task(task_id=name, **kind, **words), Game(task_id=name, content=content)


class Door:
    def __init__(self, task):
        self.task, self.locked = task, int(task.task_id.rsplit("/", 1)[1]) % 2 == 1

    def reset(self):
        return f"You see a door. Your task is to: {self.task.instruction}"

    def step(self, action):
        if action == "unlock":
            self.locked = False
            return Outcome("You turn the key.", 0.0, False, True)
        if action == "open" and not self.locked:
            return Outcome("It opens.", 1.0, True, True)
        return Outcome("It is locked." if action == "open" else "Nothing.", 0.0, False, False)

    def close(self): ...
