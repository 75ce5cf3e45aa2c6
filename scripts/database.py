"""Makes a database, or deletes one that nobody uses: database.py create|drop URL NAME. Needs psycopg."""

import sys

import psycopg
import psycopg.sql

STATEMENTS = {"create": "CREATE DATABASE {}", "drop": "DROP DATABASE IF EXISTS {}"}


def main():
    verb, url, name = sys.argv[1:]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(STATEMENTS[verb].format(psycopg.sql.Identifier(name).as_string(connection)))


if __name__ == "__main__":
    main()
