ALTER TABLE "orders" ADD COLUMN "total" numeric DEFAULT '0' NOT NULL;--> statement-breakpoint
CREATE INDEX "orders_by_note" ON "orders" USING btree ("note");--> statement-breakpoint
INSERT INTO "orders" ("note") VALUES ('anvil');
