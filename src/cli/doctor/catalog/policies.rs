//! Policies that let everybody through, and those that read what everybody can set.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, shortened};
use super::super::sql::{array, rows};
use super::unset::{Answers, Condition};
use super::{MOST, Zone, cut, wrappers, zone};

pub(super) const IDS: &[&str] = &["policy-open", "policy-unsigned"];

/// A policy of a table with row-level security, its names quoted.
struct Policy {
    /// `tenant on public.orders`
    shown: String,
    name: String,
    table: String,
    using: String,
    check: String,
    /// For whom, if not for everybody.
    roles: String,
    /// And no restrictive policy that asks keeps back what it lets through.
    permissive: bool,
    /// Nothing in it depends on who asks.
    blind: bool,
    /// It reads a parameter, itself or by a function that it calls.
    reads: bool,
    /// The table's zone column and its type; "" if it has none.
    column: String,
    kind: String,
}

fn policies(connection: &mut Connection, zone: &Zone) -> Result<Vec<Policy>, Trouble> {
    let columns = array(zone.columns.iter().map(String::as_str));
    let (asks, text) = (zone::asks_who("p"), zone::TEXT);
    let wrappers = wrappers::find(connection)?;
    let wrappers = wrappers.iter().filter(|it| it.reads(&zone.parameters));
    let wrappers = array(wrappers.map(|it| &*it.oid));
    let sql = format!(
        "SELECT quote_ident(p.polname), format('%I.%I', n.nspname, c.relname), \
           pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), \
           (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM pg_catalog.pg_roles AS r \
             WHERE r.oid = ANY (p.polroles)), \
           p.polpermissive AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy AS w WHERE w.polrelid = p.polrelid \
             AND NOT w.polpermissive AND w.polcmd = '*' AND w.polroles = '{{0}}' AND {asks_restrictive}), \
           NOT {asks}, {text} ~* 'current_setting[(]' OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
             WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid \
               AND d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid::text = ANY ({wrappers})), \
           a.attname, format_type(a.atttypid, a.atttypmod) \
         FROM pg_catalog.pg_policy AS p \
         JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = ANY ({columns}) \
           AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE c.relrowsecurity ORDER BY 2, 1, a.attnum LIMIT {MOST}",
        asks_restrictive = zone::asks_who("w"),
    );
    let policy = |row: Vec<String>| {
        let row = <[String; 10]>::try_from(row).ok()?;
        let [
            name,
            table,
            using,
            check,
            roles,
            permissive,
            blind,
            reads,
            column,
            kind,
        ] = row;
        Some(Policy {
            shown: format!("{name} on {table}"),
            name,
            table,
            using,
            check,
            roles,
            permissive: permissive == "t",
            blind: blind == "t",
            reads: reads == "t",
            column,
            kind,
        })
    };
    let mut policies: Vec<Policy> = rows(connection, &sql)?
        .into_iter()
        .filter_map(policy)
        .collect();
    // A table with two zone columns comes twice.
    policies.dedup_by(|next, last| next.shown == last.shown);
    Ok(policies)
}

pub(super) fn look(connection: &mut Connection, zone: &Zone) -> Result<Vec<Finding>, Trouble> {
    let policies = policies(connection, zone)?;
    let mut answers = Answers::default();
    let mut findings = Vec::new();
    for policy in policies.iter().filter(|policy| policy.may_open()) {
        let using = opening(connection, policy, &policy.using, zone, &mut answers)?;
        let check = opening(connection, policy, &policy.check, zone, &mut answers)?;
        findings.extend(open(policy, zone, using, check));
    }
    findings.extend(cut(policies.len(), "policies"));
    if answers.is_full() {
        let text = "not seen: what more conditions of policies are while no zone is set";
        findings.push(Finding::new("not-seen", text));
    }
    let unsigned: Vec<String> = policies
        .into_iter()
        .filter(|policy| policy.reads)
        .map(|policy| policy.shown)
        .collect();
    if !unsigned.is_empty() {
        let read = if unsigned.len() == 1 { "reads" } else { "read" };
        let text = format!(
            "{} {read} {}, which every SQL statement can set",
            counted(unsigned.len(), "policy"),
            zone.parameters.join(", ")
        );
        findings.push(Finding::new("policy-unsigned", text).about(unsigned));
    }
    Ok(findings)
}

impl Policy {
    /// Permissive policies are alternatives: one that asks for nothing makes the others pointless. A restrictive
    /// one takes away and never gives.
    fn may_open(&self) -> bool {
        self.permissive && !self.column.is_empty()
    }
}

/// How half of a policy opens: WITH CHECK (true) may stand beside a USING that asks.
enum Opening {
    Always,
    /// While no zone is set, by an alternative. This is left without it; none: nothing.
    Unset(Option<String>),
}

fn opening(
    connection: &mut Connection,
    policy: &Policy,
    text: &str,
    zone: &Zone,
    answers: &mut Answers,
) -> Result<Option<Opening>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    if policy.blind || text == "true" {
        return Ok(Some(Opening::Always));
    }
    let condition = Condition::read(text, &zone.columns);
    answers.ask(connection, &condition)?;
    let opens = condition.opens(answers);
    Ok(opens.then(|| Opening::Unset(condition.closed(answers))))
}

fn open(
    policy: &Policy,
    zone: &Zone,
    using: Option<Opening>,
    check: Option<Opening>,
) -> Option<Finding> {
    let Policy {
        shown, name, table, ..
    } = policy;
    let whom = match policy.roles.as_str() {
        "" => "everybody".to_owned(),
        roles => shortened(roles),
    };
    let when = |opening: &Opening| match opening {
        Opening::Always => "",
        Opening::Unset(_) => " while none is set",
    };
    let text = match (&using, &check) {
        (Some(opening), _) => format!(
            "policy {shown} lets {whom} through to every zone{}: USING ({})",
            when(opening),
            shortened(&policy.using)
        ),
        (None, Some(opening)) => format!(
            "policy {shown} lets {whom} write into every zone{}: WITH CHECK ({})",
            when(opening),
            shortened(&policy.check)
        ),
        (None, None) => return None,
    };
    let clause = |opening: Option<Opening>, word: &str| match opening {
        None => Some(String::new()),
        Some(Opening::Unset(Some(left))) => Some(format!(" {word} ({left})")),
        Some(Opening::Always | Opening::Unset(None)) => {
            let condition = zone.condition(&policy.column, &policy.kind)?;
            Some(format!(" {word} ({condition})"))
        }
    };
    let sql = match (clause(using, "USING"), clause(check, "WITH CHECK")) {
        (Some(using), Some(check)) => format!("ALTER POLICY {name} ON {table}{using}{check}"),
        _ => format!("DROP POLICY {name} ON {table}"),
    };
    let finding = Finding::new("policy-open", text).about(vec![shown.clone()]);
    Some(finding.mended_by(vec![sql]))
}
