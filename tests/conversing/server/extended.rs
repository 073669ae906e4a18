//! Parse, Bind, Describe, Execute, Close.

use super::*;

impl Server {
    pub(super) fn parse(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut parts = body.split(|byte| *byte == 0);
        let (Some(name), Some(sql)) = (parts.next(), parts.next()) else {
            return Err("08P01");
        };
        let (name, sql) = (text(name), text(sql));
        if name == PREFIX_NAME && self.is_hit(b'P') {
            self.start();
            return Err(CANCELED);
        }
        // A prefix that falls does so ahead of it.
        if self.place == Place::Alone
            && statement::mark(sql.as_bytes()).is_some_and(|mark| self.doomed.contains(&mark))
        {
            return Err(CANCELED);
        }
        if name.is_empty() {
            self.statements.remove("");
        }
        if name != PREFIX_NAME
            && let Some(sqlstate) = statement::refusal(&sql, self.login, self.migration_open)
        {
            self.violate_if_behind(&format!("refused Parse reached the server: {sql}"));
            return Err(sqlstate);
        }
        self.start();
        let statements = statement::read(&sql);
        if statements.contains(&Statement::Unknown) || statements.len() > 1 {
            return Err("42601");
        }
        if let Some(statement) = statements.first() {
            if self.transaction == Transaction::Failed && !statement.is_exit() {
                return Err(ABORTED);
            }
            self.queried |= statement.is_analyzed();
            if *statement == Statement::Fails(At::Parse) {
                return Err("42703");
            }
        }
        if !name.is_empty() && self.statements.contains_key(&name) {
            if name == PREFIX_NAME {
                self.violate_if_behind("the prefix's name was left on the server");
            }
            return Err("42P05");
        }
        self.statements.insert(name, sql);
        self.put(b'1', &[]);
        Ok(())
    }

    pub(super) fn bind(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut parts = body.splitn(3, |byte| *byte == 0);
        let (Some(portal), Some(name), Some(values)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("08P01");
        };
        let (portal, name) = (text(portal), text(name));
        if self.place == Place::Alone
            && statement::mark(values).is_some_and(|mark| self.doomed.contains(&mark))
        {
            return Err(CANCELED);
        }
        if name == PREFIX_NAME && !self.statements.contains_key(&name) {
            self.violate_if_behind("the prefix's name is not on the server");
        }
        let sql = self.statements.get(&name).cloned().ok_or("26000")?;
        if name == PREFIX_NAME && self.is_hit(b'B') {
            self.start();
            return Err(CANCELED);
        }
        let ours = name == PREFIX_NAME;
        if !ours && let Some(sqlstate) = statement::refusal(&sql, self.login, self.migration_open) {
            self.violate_if_behind(&format!("Bind of a refused text: {sql}"));
            return Err(sqlstate);
        }
        let bound = zones::values(values);
        if !ours && (self.lacks_zone(&sql) || self.refuses_values(&sql, &bound)) {
            self.violate_if_behind(&format!("Bind without a zone: {sql} {bound:?}"));
            return Err("42501");
        }
        self.start();
        let statement = statement::read(&sql).into_iter().next();
        if self.transaction == Transaction::Failed
            && statement
                .as_ref()
                .is_some_and(|statement| !statement.is_exit())
        {
            return Err(ABORTED);
        }
        if let Some(Statement::RollbackTo(name)) = &statement {
            self.doubt(name);
        }
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err("42P03");
        }
        self.queried |= statement.as_ref().is_some_and(Statement::takes_snapshot);
        if statement == Some(Statement::Fails(At::Bind)) {
            return Err("22P02");
        }
        self.unnamed_taken &= !portal.is_empty() || ours;
        let acme = format!("{{\"{ZONE}\"}}");
        let mut windows = values.windows(acme.len());
        let has_zone = ours && (self.chooses() || windows.any(|window| window == acme.as_bytes()));
        let bound = Portal {
            text: sql,
            left: None,
            zone: has_zone.then(|| ZONE.to_owned()),
            values: bound,
            depth: self.savepoints.len(),
        };
        self.portals.insert(portal, bound);
        self.put(b'2', &[]);
        Ok(())
    }

    pub(super) fn describe(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (kind, name) = kind_and_name(body)?;
        self.start();
        let sql = if kind == b'S' {
            self.statements.get(&name).cloned().ok_or("26000")?
        } else {
            self.portals
                .get(&name)
                .map(|portal| portal.text.clone())
                .ok_or("34000")?
        };
        let rows = statement::read(&sql)
            .first()
            .is_some_and(Statement::has_rows);
        if rows && self.transaction == Transaction::Failed {
            return Err(ABORTED);
        }
        if kind == b'S' {
            let failed = self.transaction == Transaction::Failed;
            let mut statements = statement::read(&sql).into_iter();
            let snapshot = !self.queried && statements.any(|it| it.is_analyzed());
            self.described_in_vain |= failed || (snapshot && !self.chooses());
            self.put(b't', &[&[0, 0]]);
        }
        match rows {
            true => self.put(b'T', &[&[0, 0]]),
            false => self.put(b'n', &[]),
        }
        Ok(())
    }

    pub(super) fn execute(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut parts = body.splitn(2, |byte| *byte == 0);
        let (Some(name), Some(most)) = (parts.next(), parts.next()) else {
            return Err("08P01");
        };
        let name = text(name);
        self.doubtful |= name == NOWHERE && self.unnamed_taken;
        let most = most.try_into().map_or(0, u32::from_be_bytes) as usize;
        let portal = self.portals.get(&name).cloned().ok_or("34000")?;
        let ours = portal.zone.is_some();
        if ours && self.is_hit(b'E') {
            return Err(CANCELED);
        }
        if !ours
            && let Some(sqlstate) =
                statement::refusal(&portal.text, self.login, self.migration_open)
        {
            self.violate_if_behind(&format!("Execute of a refused text: {}", portal.text));
            return Err(sqlstate);
        }
        if !ours && self.lacks_zone(&portal.text) {
            self.violate_if_behind(&format!("Execute without a zone: {}", portal.text));
            return Err("42501");
        }
        self.start();
        let Some(statement) = statement::read(&portal.text).into_iter().next() else {
            self.put(b'I', &[]);
            return Ok(());
        };
        if self.transaction == Transaction::Failed && !statement.is_exit() {
            return Err(ABORTED);
        }
        if let (Some(_), false) = (portal.left, statement.has_rows()) {
            return Err("55000");
        }
        let call = matches!(&statement, Statement::Choose(choose) if !choose.by_set);
        if call || matches!(statement, Statement::Show(_)) {
            return self.fetch_value(&name, &statement, most);
        }
        if statement == Statement::Select {
            return self.fetch(&name, portal.left.unwrap_or(ROWS), most);
        }
        if let Some(entry) = self.portals.get_mut(&name) {
            entry.left = Some(0);
        }
        if ours && self.chooses() {
            self.run_prefix(&portal.values)?;
        } else if portal.zone.is_some() {
            self.zone = portal.zone;
        }
        if let Statement::Fails(_) = statement {
            return Err("22012");
        }
        if statement == Statement::Question {
            match self.pool {
                Pool::Hides => return Err("42501"),
                Pool::Forgets => self.rows(1),
                Pool::Follows => {}
            }
        }
        let tag = self.run(&statement, &portal.text, &portal.values)?;
        if statement == Statement::CopyIn {
            return self.begin_copy(false);
        }
        self.put(b'C', &[&cstr(&tag)]);
        Ok(())
    }

    pub(super) fn fetch(&mut self, name: &str, left: usize, most: usize) -> Result<(), Failure> {
        let text = self.portals.get(name).map(|portal| portal.text.clone());
        self.run(&Statement::Select, &text.unwrap_or_default(), &[])?;
        let count = if most == 0 { left } else { left.min(most) };
        self.rows(count);
        if let Some(entry) = self.portals.get_mut(name) {
            entry.left = Some(left - count);
        }
        if most > 0 && count == most {
            self.put(b's', &[]);
        } else {
            self.put(b'C', &[&cstr(&format!("SELECT {count}"))]);
        }
        Ok(())
    }

    pub(super) fn close(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (kind, name) = kind_and_name(body)?;
        if kind == b'S' {
            self.statements.remove(&name);
        } else {
            self.portals.remove(&name);
        }
        self.put(b'3', &[]);
        Ok(())
    }
}

fn kind_and_name(body: &[u8]) -> Result<(u8, String), Failure> {
    let (kind, name) = body.split_first().ok_or("08P01")?;
    Ok((*kind, text(name.strip_suffix(b"\0").unwrap_or(name))))
}
