from hintdistill.environments.scripted.player import Line


class Opener:
    def __init__(self, write_turns, prompt, first_observation, slips, rng):
        self.lines = iter(["unlock", "open"])

    def turn(self, observation):
        return Line(next(self.lines))
