//! Labels by `sqlparser`: names for people, never a reason to allow. It reads fewer statements than
//! PostgreSQL does, so what it cannot read has no label.

use std::ops::ControlFlow;

use sqlparser::ast::visit_relations;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// A longer text gets no labels: long chains of operators would overflow the stack when dropped.
const MAX_TEXT: usize = 32 * 1024;
/// Nesting that is read.
const MAX_DEPTH: usize = 50;
/// Relations named.
const MAX_RELATIONS: usize = 20;

/// The relations that a text names, each once, in the order of the text; empty when it cannot be read.
pub fn relations(text: &str) -> Vec<String> {
    if text.len() > MAX_TEXT {
        return Vec::new();
    }
    let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(MAX_DEPTH);
    let parsed = parser
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements());
    let mut names: Vec<String> = Vec::new();
    if let Ok(statements) = parsed {
        let _ = visit_relations(&statements, |name| {
            let name = name.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
            match names.len() {
                MAX_RELATIONS => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
    }
    names
}

#[cfg(test)]
mod tests {
    use super::relations;

    #[test]
    fn relations_are_named_once_and_in_order() {
        let text = "with x as (select * from public.orders o join lines using (id)) \
                    update orders set n = 1 where id in (select id from x, public.orders)";
        assert_eq!(relations(text), ["public.orders", "lines", "orders", "x"]);
        assert_eq!(relations("select 'from orders'"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_read_has_no_label() {
        assert_eq!(relations("selec * from orders"), [""; 0]);
        let nested = format!(
            "select {}1{} from orders",
            "(".repeat(5000),
            ")".repeat(5000)
        );
        assert_eq!(relations(&nested), [""; 0]);
        let chain = format!("select {} from orders", "1+".repeat(20_000));
        assert_eq!(relations(&chain), [""; 0]);
    }
}
