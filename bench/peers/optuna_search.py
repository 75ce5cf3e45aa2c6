"""The search of the challenge's notebook: Optuna over XGBoost, on all cores. Prints one line of JSON.

    python optuna_search.py FILE.csv SPLIT.json SEED

SPLIT.json has test_lines: the lines of the file that are kept for the test, the header being line 1.
"""
import json
import sys
import time

import optuna
import pandas
import xgboost
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

TRIALS = 100
GRADES = {
    "cut": ["Fair", "Good", "Very Good", "Ideal", "Premium"],
    "color": ["D", "E", "F", "G", "H", "I", "J"],
    "clarity": ["IF", "VVS1", "VVS2", "VS1", "VS2", "SI1", "SI2", "I1"],
}
FEATURES = ["carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z"]
FIXED = {"random_state": 42, "enable_categorical": True}


def read(file, split):
    data = pandas.read_csv(file)
    data["line"] = data.index + 2
    for quality, grades in GRADES.items():
        data[quality] = pandas.Categorical(data[quality], categories=grades, ordered=True)
    data = data[(data.x * data.y * data.z != 0) & (data.price > 0)]
    with open(split) as lines:
        is_test = data.line.isin(json.load(lines)["test_lines"])
    return data[~is_test], data[is_test]


def parameters(trial):
    return {
        "lambda": trial.suggest_float("lambda", 1e-8, 1.0, log=True),
        "alpha": trial.suggest_float("alpha", 1e-8, 1.0, log=True),
        "colsample_bytree": trial.suggest_categorical("colsample_bytree", [0.3, 0.4, 0.5, 0.7]),
        "subsample": trial.suggest_categorical("subsample", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        "learning_rate": trial.suggest_float("learning_rate", 1e-8, 1.0, log=True),
        "n_estimators": trial.suggest_int("n_estimators", 100, 1000),
        "max_depth": trial.suggest_int("max_depth", 3, 9),
        "min_child_weight": trial.suggest_int("min_child_weight", 1, 10),
    }


def search(samples, seed):
    def objective(trial):
        x_train, x_val, y_train, y_val = train_test_split(
            samples[FEATURES], samples.price, test_size=0.2, random_state=42
        )
        model = xgboost.XGBRegressor(**parameters(trial), **FIXED).fit(x_train, y_train)
        return mean_absolute_error(y_val, model.predict(x_val))

    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=TRIALS)
    return study, xgboost.XGBRegressor(**study.best_params, **FIXED).fit(samples[FEATURES], samples.price)


def main():
    file, split, seed = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    training, test = read(file, split)
    started = time.monotonic()
    study, model = search(training, int(seed))
    seconds = time.monotonic() - started
    figures = {
        "seed": int(seed),
        "seconds": seconds,
        "test_mae": float(mean_absolute_error(test.price, model.predict(test[FEATURES]))),
        "validation_mae": study.best_value,
        "training_rows": len(training),
        "test_rows": len(test),
        "parameters": study.best_params,
    }
    print(json.dumps(figures))


main()
