-- What needs a word in the policy: limits of time that are lifted where there are no ceilings, and large objects by
-- FunctionCall, which pgjdbc and libpq use where the login has `fast_path`. 952 is lo_open.

SET statement_timeout = 0;

SET lock_timeout = 0;

SET idle_in_transaction_session_timeout = 0;

SET SESSION statement_timeout TO '0';
RESET statement_timeout;

--! call 952 70000 262144
