CREATE TYPE "public"."order_state" AS ENUM('open', 'paid');--> statement-breakpoint
CREATE TABLE "orders" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"note" text DEFAULT 'it''s new; really',
	"state" "order_state" DEFAULT 'open' NOT NULL
);
