"""Makes a database on the server at LAPIDARY_TEST_POSTGRES_URL, or deletes one that nobody uses there:
database.py create|drop NAME. Needs psycopg."""

import os
import sys

import psycopg
import psycopg.sql

STATEMENTS = {"create": "CREATE DATABASE {}", "drop": "DROP DATABASE IF EXISTS {}"}


def main():
    verb, name = sys.argv[1:]
    with psycopg.connect(os.environ["LAPIDARY_TEST_POSTGRES_URL"], autocommit=True) as connection:
        connection.execute(STATEMENTS[verb].format(psycopg.sql.Identifier(name).as_string(connection)))


if __name__ == "__main__":
    main()
