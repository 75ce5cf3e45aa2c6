-- Sees to it that a gigabyte of write-ahead log lies ready, in files of 16 MB: making one under load holds up every
-- commit for 30 ms, and a new server has none. As many are begun as max_wal_size allows (its default, 1 GB), and the
-- checkpoint keeps them for reuse; none may come before, for it would hand out the first ones again.
-- For psql, as a superuser, where min_wal_size is 1 GB; docs/traffic.md says more.
SELECT count(*) < 32 AS is_short FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_lsn()) \gset
\if :is_short
CHECKPOINT;
ALTER SYSTEM SET max_wal_size = '4GB';
SELECT pg_reload_conf(), pg_sleep(0.2);
SELECT count(pg_logical_emit_message(false, 'next file', '')), count(pg_switch_wal()) FROM generate_series(1, 64);
CHECKPOINT;
ALTER SYSTEM RESET max_wal_size;
SELECT pg_reload_conf();
\endif
