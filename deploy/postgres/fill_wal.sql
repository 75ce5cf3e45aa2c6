-- Sees to it that 2 GB of write-ahead log lie ready, in files of 16 MB, and stay: making one under load holds up every
-- commit for 30 ms, and a new server has none. As many are begun as max_wal_size will allow, and the checkpoint keeps them
-- for reuse; none may come before, for it would hand out the first ones again.
-- For psql, as a superuser, on a server that has neither of these settings from its command line; docs/traffic.md says more.
SELECT current_setting('max_wal_size') <> '2GB' OR count(*) < 48 AS is_short
FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_lsn()) \gset
\if :is_short
CHECKPOINT;
ALTER SYSTEM SET min_wal_size = '2GB';
ALTER SYSTEM SET max_wal_size = '8GB';
SELECT pg_reload_conf(), pg_sleep(0.2);
SELECT count(pg_logical_emit_message(false, 'next file', '')), count(pg_switch_wal()) FROM generate_series(1, 128);
CHECKPOINT;
ALTER SYSTEM SET max_wal_size = '2GB';
SELECT pg_reload_conf();
\endif
