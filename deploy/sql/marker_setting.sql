-- Included by zone.sql: the mark of a transaction is a setting that no client may set.
--
-- backtrace_functions takes SET from superusers and whoever was granted it; its value is a list of
-- names of C functions whose errors are to be logged with a backtrace, and no function has a name
-- like ours. Letters, digits and `_` are all that it takes, hence hex. RESET ALL clears it, and so
-- takes the zone away.

-- The zone in hex, or null. Inlined.
create or replace function portcullis.marked() returns text
language sql stable parallel safe
return case when starts_with(current_setting('backtrace_functions'), 'portcullis_')
    then substr(current_setting('backtrace_functions'), 12) end;

create or replace function portcullis.mark(k portcullis.key, zone text) returns text
language sql volatile
return set_config('backtrace_functions', 'portcullis_' || zone, true);

-- The zone of this transaction, or null. Names are bound when it is created and it runs with its
-- caller's rights, so that it is inlined and costs next to nothing; no search_path changes it.
create or replace function portcullis.zone() returns text
language sql stable parallel safe
return case when starts_with(current_setting('backtrace_functions'), 'portcullis_')
    then convert_from(decode(substr(current_setting('backtrace_functions'), 12), 'hex'), 'UTF8') end;
